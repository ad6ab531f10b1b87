package idngo_test

import "encoding/json"

// What one writes who names the same fields as this package does and takes
// dates as strings and ids as they come: the floor of the decoding benchmarks.
// With fewer fields the structs would be smaller, and something else.
type (
	plainPage struct {
		List struct {
			Items      []*plainAction `json:"items"`
			TotalItems int            `json:"totalItems"`
		} `json:"list"`
	}
	plainAction struct {
		ID               string               `json:"id"`
		ApplicantID      string               `json:"applicantId"`
		ExternalActionID string               `json:"externalActionId"`
		Type             string               `json:"type"`
		CreatedAt        string               `json:"createdAt"`
		ClientID         string               `json:"clientId"`
		Key              string               `json:"key"`
		Review           plainReview          `json:"review"`
		Checks           []plainCheck         `json:"checks"`
		Images           []plainImage         `json:"images"`
		Questionnaires   []plainQuestionnaire `json:"questionnaires"`
		RequiredIDDocs   plainRequiredIDDocs  `json:"requiredIdDocs"`
		PaymentMethod    *plainPaymentMethod  `json:"paymentMethod"`
		PaymentSource    *plainPaymentSource  `json:"paymentSource"`
		Agreement        map[string]any       `json:"agreement"`
	}
	plainBinInfo struct {
		Country    string `json:"country"`
		Issuer     string `json:"issuer"`
		Brand      string `json:"brand"`
		Type       string `json:"type"`
		Prepaid    bool   `json:"prepaid"`
		Virtual    bool   `json:"virtual"`
		Commercial bool   `json:"commercial"`
	}
	plainCheck struct {
		Answer                     string                           `json:"answer"`
		CheckType                  string                           `json:"checkType"`
		CreatedAt                  string                           `json:"createdAt"`
		ID                         string                           `json:"id"`
		AttemptID                  string                           `json:"attemptId"`
		ErrorMessage               string                           `json:"errorMessage"`
		ImageIDs                   []json.Number                    `json:"imageIds"`
		LivenessInfo               *plainLivenessInfo               `json:"livenessInfo"`
		FaceMatchInfo              *plainFaceMatchInfo              `json:"faceMatchInfo"`
		EmailConfirmationCheckInfo *plainEmailConfirmationCheckInfo `json:"emailConfirmationCheckInfo"`
		PhoneConfirmationCheckInfo *plainPhoneConfirmationCheckInfo `json:"phoneConfirmationCheckInfo"`
		ExtractedInfo              *plainExtractedInfo              `json:"extractedInfo"`
		RiskCheck                  *plainRiskCheck                  `json:"riskCheck"`
		Violations                 []any                            `json:"violations"`
	}
	plainDocSet struct {
		IDDocSetType       string   `json:"idDocSetType"`
		Types              []string `json:"types"`
		Fields             []any    `json:"fields"`
		QuestionnaireDefID string   `json:"questionnaireDefId"`
		VideoRequired      string   `json:"videoRequired"`
	}
	plainEmailConfirmationCheckInfo struct {
		Email           string `json:"email"`
		FirstSeenAt     string `json:"firstSeenAt"`
		ConfirmedViaOtp string `json:"confirmedViaOtp"`
		NonDisposable   string `json:"nonDisposable"`
		SuspiciousEmail string `json:"suspiciousEmail"`
		Blacklisted     string `json:"blacklisted"`
		WebsiteExists   string `json:"websiteExists"`
		Deliverable     string `json:"deliverable"`
		RiskLevel       string `json:"riskLevel"`
	}
	plainExtractedInfo struct {
		Type              string `json:"type"`
		AccountIdentifier string `json:"accountIdentifier"`
		InstitutionName   string `json:"institutionName"`
		IssuedDate        string `json:"issuedDate"`
	}
	plainFaceMatchInfo struct {
		Answer         string      `json:"answer"`
		Confidence     float64     `json:"confidence"`
		OriginImageID1 json.Number `json:"originImageId1"`
		OriginImageID2 json.Number `json:"originImageId2"`
		FaceContentID1 json.Number `json:"faceContentId1"`
		FaceContentID2 json.Number `json:"faceContentId2"`
	}
	plainIDDocDef struct {
		Country      string `json:"country"`
		IDDocType    string `json:"idDocType"`
		IDDocSubType string `json:"idDocSubType"`
	}
	plainImage struct {
		ID                 string            `json:"id"`
		AddedDate          string            `json:"addedDate"`
		ImageHash          string            `json:"imageHash"`
		ImageFileName      string            `json:"imageFileName"`
		ImageID            json.Number       `json:"imageId"`
		ResizedImageID     json.Number       `json:"resizedImageId"`
		MimeType           string            `json:"mimeType"`
		SigHash            string            `json:"sigHash"`
		ActualResolution   plainResolution   `json:"actualResolution"`
		Answer             string            `json:"answer"`
		IDDocDef           plainIDDocDef     `json:"idDocDef"`
		ReviewResult       plainReviewResult `json:"reviewResult"`
		AttemptID          string            `json:"attemptId"`
		CreatorClientID    string            `json:"creatorClientId"`
		CreatorSubjectRole any               `json:"creatorSubjectRole"`
		FileSize           int64             `json:"fileSize"`
		PreviewID          json.Number       `json:"previewId"`
		Source             string            `json:"source"`
		Make               string            `json:"make"`
		Model              string            `json:"model"`
		ExifResolution     plainResolution   `json:"exifResolution"`
		CreationDate       string            `json:"creationDate"`
		ModificationDate   string            `json:"modificationDate"`
		Comments           any               `json:"comments"`
		CopiedFrom         any               `json:"copiedFrom"`
		CopiedAt           string            `json:"copiedAt"`
		Deleted            bool              `json:"deleted"`
		ImageTrust         *plainImageTrust  `json:"imageTrust"`
		ExtractedInfo      map[string]any    `json:"extractedInfo"`
	}
	plainImageTrust struct {
		Trust float64 `json:"trust"`
	}
	plainLivenessData struct {
		SessionID  string               `json:"sessionId"`
		Images     []plainLivenessImage `json:"images"`
		DeviceDesc string               `json:"deviceDesc"`
	}
	plainLivenessImage struct {
		ImageID json.Number `json:"imageId"`
		Ts      string      `json:"ts"`
	}
	plainLivenessInfo struct {
		LivenessData   plainLivenessData   `json:"livenessData"`
		LivenessResult plainLivenessResult `json:"livenessResult"`
		DeviceDesc     string              `json:"deviceDesc"`
	}
	plainLivenessResult struct {
		Answer      string `json:"answer"`
		Glasses     bool   `json:"glasses"`
		RetryReason int    `json:"retryReason"`
	}
	plainPaymentMethod struct {
		Type    string                 `json:"type"`
		SubType string                 `json:"subType"`
		Data    plainPaymentMethodData `json:"data"`
	}
	plainPaymentMethodData struct {
		RequiredIDDoc plainPaymentMethodDoc `json:"requiredIdDoc"`
	}
	plainPaymentMethodDoc struct {
		FirstName  string `json:"firstName"`
		LastName   string `json:"lastName"`
		MiddleName string `json:"middleName"`
		Number     string `json:"number"`
		IssuedDate string `json:"issuedDate"`
		TxnAmount  string `json:"txnAmount"`
	}
	plainPaymentSource struct {
		FixedInfo       plainPaymentSourceInfo     `json:"fixedInfo"`
		Info            plainPaymentSourceInfo     `json:"info"`
		Checksum        plainPaymentSourceChecksum `json:"checksum"`
		Checks          any                        `json:"checks"`
		OwnershipChecks any                        `json:"ownershipChecks"`
	}
	plainPaymentSourceChecksum struct {
		Txns []plainPaymentTxn `json:"txns"`
	}
	plainPaymentSourceInfo struct {
		Type              string `json:"type"`
		InstitutionName   string `json:"institutionName"`
		FullName          string `json:"fullName"`
		AccountIdentifier string `json:"accountIdentifier"`
		Email             string `json:"email"`
	}
	plainPaymentTxn struct {
		Date         string `json:"date"`
		Amount       any    `json:"amount"`
		CurrencyCode string `json:"currencyCode"`
	}
	plainPhoneConfirmationCheckInfo struct {
		FirstSeenAt           string `json:"firstSeenAt"`
		ConfirmedViaOtp       string `json:"confirmedViaOtp"`
		NonDisposable         string `json:"nonDisposable"`
		Blacklisted           string `json:"blacklisted"`
		WebRegistrationsExist string `json:"webRegistrationsExist"`
		Active                string `json:"active"`
		Valid                 string `json:"valid"`
		RiskLevel             string `json:"riskLevel"`
	}
	plainQuestionnaire struct {
		ID       string                               `json:"id"`
		Sections map[string]plainQuestionnaireSection `json:"sections"`
		Score    float64                              `json:"score"`
	}
	plainQuestionnaireItem struct {
		Value  *string  `json:"value"`
		Values []string `json:"values"`
	}
	plainQuestionnaireSection struct {
		Items map[string]plainQuestionnaireItem `json:"items"`
		Score float64                           `json:"score"`
	}
	plainRequiredIDDocs struct {
		DocSets []plainDocSet `json:"docSets"`
	}
	plainResolution struct {
		Width  int `json:"width"`
		Height int `json:"height"`
	}
	plainReview struct {
		ReviewStatus           string            `json:"reviewStatus"`
		ReviewResult           plainReviewResult `json:"reviewResult"`
		LevelName              string            `json:"levelName"`
		CreateDate             string            `json:"createDate"`
		StartDate              string            `json:"startDate"`
		ReviewDate             string            `json:"reviewDate"`
		ReviewID               string            `json:"reviewId"`
		AttemptID              string            `json:"attemptId"`
		AttemptCnt             int               `json:"attemptCnt"`
		ElapsedSincePendingMs  int64             `json:"elapsedSincePendingMs"`
		ElapsedSinceQueuedMs   int64             `json:"elapsedSinceQueuedMs"`
		Priority               int               `json:"priority"`
		NotificationFailureCnt int               `json:"notificationFailureCnt"`
		Reprocessing           bool              `json:"reprocessing"`
		AutoChecked            bool              `json:"autoChecked"`
		LevelAutoCheckMode     any               `json:"levelAutoCheckMode"`
	}
	plainReviewResult struct {
		ReviewAnswer      string   `json:"reviewAnswer"`
		RejectLabels      []string `json:"rejectLabels"`
		ReviewRejectType  string   `json:"reviewRejectType"`
		ModerationComment string   `json:"moderationComment"`
		ClientComment     string   `json:"clientComment"`
		ButtonIDs         []string `json:"buttonIds"`
		Label             string   `json:"label"`
	}
	plainRiskCheck struct {
		BinInfo plainBinInfo `json:"binInfo"`
	}
	plainWebhook struct {
		Type                      string            `json:"type"`
		ApplicantID               string            `json:"applicantId"`
		ApplicantActionID         string            `json:"applicantActionId"`
		ExternalApplicantActionID string            `json:"externalApplicantActionId"`
		ExternalUserID            string            `json:"externalUserId"`
		ReviewStatus              string            `json:"reviewStatus"`
		ReviewResult              plainReviewResult `json:"reviewResult"`
		CreatedAtMs               string            `json:"createdAtMs"`
		InspectionID              string            `json:"inspectionId"`
		CorrelationID             string            `json:"correlationId"`
		ApplicantType             string            `json:"applicantType"`
		CreatedAt                 string            `json:"createdAt"`
		SandboxMode               bool              `json:"sandboxMode"`
		ClientID                  string            `json:"clientId"`
		LevelName                 string            `json:"levelName"`
		PreviousLevelName         string            `json:"previousLevelName"`
		ReviewMode                string            `json:"reviewMode"`
		SourceKey                 string            `json:"sourceKey"`
		ButtonIDs                 []string          `json:"buttonIds"`
		ApplicantMemberOf         []map[string]any  `json:"applicantMemberOf"`
		VideoIdentReviewStatus    string            `json:"videoIdentReviewStatus"`
		CompositionMediaID        string            `json:"compositionMediaId"`
		NetworkID                 string            `json:"networkId"`
		WorkflowRevision          int               `json:"workflowRevision"`
	}
)
